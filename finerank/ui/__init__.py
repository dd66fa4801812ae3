"""The web page: a Gradio form over the server's service. It knows no model's insides and no wire dialect."""
