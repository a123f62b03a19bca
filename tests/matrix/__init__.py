"""The fault matrix: what can go wrong, each as a test of its own that ends in the oracle. `table.py` names them all and says where each is tested."""
