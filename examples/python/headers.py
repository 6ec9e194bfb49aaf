# SPDX-License-Identifier: Ruby OR BSD-2-Clause
"""The declarations of the C library as its headers have them, in the form that cffi reads. Needs a C compiler."""
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def declarations():
    """All of include/eventmachine.h as the compiler sees it, but for what comes from other headers, the system's.

    Of the macros only those remain that are integers, as EM_SECONDS is.
    """
    folder = os.environ.get("EVENTMACHINE_INCLUDE", ROOT / "include")
    command = ["cc", "-E", "-dD", "-D__attribute__(x)=", f"-I{folder}", f"{folder}/eventmachine.h"]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    # A line of the form `# 12 "file.h"` says where the lines after it come from.
    parts = re.findall(r'^# \d+ "(.*?)".*\n((?:(?!# \d).*\n)*)', text, re.MULTILINE)
    ours = "".join(lines for file, lines in parts if file.startswith(f"{folder}/eventmachine"))
    return re.sub(r"^#(?!define EM_\w+ \d+U?L*$).*", "", ours, flags=re.MULTILINE)
