"""What a lab's mirror serves (packages, images, archives, a catalogue), and the container that serves it."""
