"""An attacker at the door: each attack by name, with the payload firing where the defence is off, and refused where it is on. `table.py` names them all."""
