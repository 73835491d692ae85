"""The pages for people: rendered on the server, kept live by one small script, nothing from elsewhere."""
