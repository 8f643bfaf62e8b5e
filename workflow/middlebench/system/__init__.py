"""What is asked of this computer: files, processes, locks, time, and the folder for what lives only while it runs."""
