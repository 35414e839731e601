"""AppSpec -> what it needs of Google Cloud. Pure: the same spec, stage and kits give the same JSON.

`document` says what a template holds.
"""
