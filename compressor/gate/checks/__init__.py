"""One file a check; walking this folder finds them."""
