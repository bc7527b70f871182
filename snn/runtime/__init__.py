"""What every program needs from the machine: whole files, seeds, memory, plug-ins."""
