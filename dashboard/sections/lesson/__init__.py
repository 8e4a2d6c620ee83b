"""The lesson: twelve steps, each with a text, one part of the Lab, and a question to answer before it is shown."""
