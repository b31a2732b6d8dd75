"""How complete and how sound a dataset is: sessions beside what was asked for and what is stored."""
