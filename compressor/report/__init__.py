"""Reports that people read: one offline HTML page and a Markdown model card, made of the JSON results."""
