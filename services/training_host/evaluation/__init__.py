"""How well a network answers: its predictions, and how they are judged."""
