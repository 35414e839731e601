"""Google Cloud's drivers. Importing one brings no SDK; making one does."""
