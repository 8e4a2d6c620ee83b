"""How things look wherever they are drawn: colours, pictures as data, numbers as text. No page is known here."""
