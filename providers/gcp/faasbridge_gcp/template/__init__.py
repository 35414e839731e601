"""AppSpec -> what it needs of Google Cloud. Pure: the same spec, stage and kits give the same JSON, and nothing is read.

`document` says what a template holds.
"""
