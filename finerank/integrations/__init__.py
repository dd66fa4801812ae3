"""finerank inside the frameworks that people already use: one thin file each."""
