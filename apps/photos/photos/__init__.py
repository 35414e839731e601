"""A photo pipeline in nothing but portable FaaSBridge and Pillow."""
