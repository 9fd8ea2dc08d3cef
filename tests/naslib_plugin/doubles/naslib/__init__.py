"""Doubles of the few classes of NASLib that the plugin meets, with the contracts that it relies on."""
