"""Azure's drivers. Importing one brings no SDK; making one does."""
