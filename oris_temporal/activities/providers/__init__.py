"""Adapters: each speaks one provider's protocol through its own SDK. Imported only where a model is called."""
