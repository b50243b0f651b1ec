"""What a person is shown: foreign text made inert, and the approval card that both front ends draw."""
