"""The REST API, the event stream and the pages; knows of a node only its gateway."""
