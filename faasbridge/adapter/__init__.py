"""What every vendor's adapter shares in a deployed function. Standard library only; `import faasbridge` needs none of
it."""
