"""What the user asks for: the models of the config files, their messages and their documentation."""
