"""The controlled benchmark: characters with marks, rendered from the fonts that matplotlib bundles.

``alphabet`` says which characters and marks there are, ``fonts`` which fonts draw them, ``render`` makes one image,
``lookalikes`` finds characters that a reader could take for each other, ``plan`` lists the classes of a variant and
``source`` renders a whole store. Explained on page: glyphs.
"""
