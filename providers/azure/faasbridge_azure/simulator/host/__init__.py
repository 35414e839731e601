"""A functions host: what Microsoft's does around its Python worker, over Microsoft's FunctionRpc."""
