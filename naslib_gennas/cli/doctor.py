"""`gennas doctor`."""

from __future__ import annotations

from naslib_gennas.cli.options import Output
from naslib_gennas.cli.printing import print_columns


def doctor(output: Output) -> None:
    """Check what the NASLib plugin needs, and say how to get what is missing.

    Example: [bold]gennas doctor[/]
    """
    from naslib_gennas.plugin.doctor import examine

    report = examine()
    meaning = {"ok": "ok", "fixed": "fixed by us", "todo": "to do", "absent": "absent"}
    rows = [(meaning[check.status], check.name, check.detail) for check in report.checks]
    print_columns(output.console, ("status", "check", "what there is, or what to do"), *rows)
    output.console.print("NASLib works with the plugin here." if report.ready else "The plugin does not work here yet.")
    content = [{"name": check.name, "status": check.status, "detail": check.detail} for check in report.checks]
    output.emit({"ready": report.ready, "checks": content})
