"""The Web API's methods, as the playground answers them."""
