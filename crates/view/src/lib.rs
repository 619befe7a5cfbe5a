//! Events and nouns to what a person or a program reads.
