//! What a check expects, and whether an answer is that: pure.
