"""What scores are for: rankings, comparisons, searches, and their reports."""
