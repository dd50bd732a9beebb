"""The ground floor: values, rules and ports. Imports the standard library and pydantic only."""
