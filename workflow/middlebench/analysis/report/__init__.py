"""The report's page and the folder that can be published."""
