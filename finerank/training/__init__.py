"""Fine-tuning: examples, hard negatives, losses on the exact prompt of inference, runs that can be interrupted."""
