"""States of a training that another one goes on from."""
