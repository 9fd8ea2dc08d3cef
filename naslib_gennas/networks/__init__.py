"""The torch modules that search spaces build."""
