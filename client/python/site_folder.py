"""site_folder.py PREFIX - prints the folder below PREFIX in which this Python looks for modules and
*.pth files.

For the Makefile. A virtual environment has only one. Where this Python does not look below PREFIX
at all, it is the folder where a Python installed there would look.
"""
import os
import site
import sys

if sys.version_info < (3, 9):
    sys.exit("Python 3.9 or later is needed")
prefix = os.path.normpath(sys.argv[1])
own = "python%d.%d" % sys.version_info[:2]
below = [os.path.normpath(folder) for folder in site.getsitepackages()]
if sys.prefix == sys.base_prefix:
    # Debian's: /usr/local/lib/python3.11/dist-packages, /usr/lib/python3/dist-packages, ...
    below = [folder for folder in below if folder.startswith(os.path.join(prefix, "lib", own, ""))]
print(below[0] if below else os.path.join(prefix, "lib", own, "site-packages"))
