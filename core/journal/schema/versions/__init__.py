"""One revision a file, named after the schema that it makes; what an earlier anr has run never changes."""
