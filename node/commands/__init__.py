"""The commands of `quorate`, a module for each topic. Heavy libraries are imported where they are used."""
