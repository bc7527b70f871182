"""What several methods have in common; no plug-ins."""
