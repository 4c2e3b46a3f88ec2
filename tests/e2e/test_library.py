"""The installed library: one-file programs, next to functions named like ours, inside a shared object, static and shared."""
import glob
import os
import re
import shutil
import subprocess
import tempfile

import peer

HOST = r"""
#include <dlfcn.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    void *plugin = dlopen(PLUGIN, RTLD_NOW | RTLD_LOCAL);
    int (*run)(int, char **) = plugin != NULL ? (int (*)(int, char **))dlsym(plugin, "plugin_main") : NULL;

    if (run == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    return run(argc, argv);
}
"""
CC = os.environ.get("CC", "cc").split()


def sh(*argv, **kw):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, **kw)
    peer.expect(done.returncode == 0, f"{' '.join(map(str, argv))}:\n{done.stdout}{done.stderr}")
    return done.stdout


class Installed:
    """What `meson install` puts under DESTDIR, with the .pc files pointed at it."""

    def __init__(self, tmp):
        self.tmp = tmp
        sh("meson", "install", "--no-rebuild", "--quiet", "-C", peer.BUILD, env={**os.environ, "DESTDIR": tmp + "/dest"})
        self.pc = self.one("libzstack.pc")
        self.libdir = os.path.dirname(os.path.dirname(self.pc))
        for file in glob.glob(os.path.join(os.path.dirname(self.pc), "*.pc")):
            with open(file, encoding="utf-8") as f:
                text = f.read()
            with open(file, "w", encoding="utf-8") as f:
                f.write(re.sub(r"^prefix=", f"prefix={tmp}/dest", text, flags=re.M))
        self.env = {**os.environ, "PKG_CONFIG_PATH": os.path.dirname(self.pc), "LD_LIBRARY_PATH": self.libdir}

    def one(self, name):
        found = glob.glob(f"{self.tmp}/dest/**/{name}", recursive=True)
        peer.expect(found, f"{name} is not installed")
        return found[0]

    def flags(self, package, what):
        return sh("pkg-config", what, package, env=self.env).split()

    def build(self, output, sources, package="libzstack", extra=()):
        path = os.path.join(self.tmp, output)
        sh(*CC, "-O1", "-D_GNU_SOURCE", "-o", path, *sources, *extra, *self.flags(package, "--cflags"), *self.flags(package, "--libs"))
        return path


def defined_symbols(*nm):
    lines = sh("nm", *nm).splitlines()
    return {words[-1].split("@")[0] for words in (line.split() for line in lines) if len(words) >= 2}


def check_files(inst):
    for name in ("ff_api.h", "z_api.h", "ff_event.h", "ff_epoll.h", "ff_errno.h", "ff_config.h", "ff_log.h", "ff_veth.h", "libzstack.a",
                 "libzstack.so", "libzstack.so.0"):
        inst.one(name)
    pages = glob.glob(f"{inst.tmp}/dest/**/man3/z_*.3*", recursive=True)
    peer.expect(len(pages) >= 10, f"{len(pages)} man pages of z_* calls are installed")
    inst.one("man1/zload.1")
    peer.expect(sh(inst.one("bin/zload"), "--help", env=inst.env).startswith("usage: zload"), "the installed zload does not start")


def check_symbols(inst):
    for what, symbols in (("libzstack.so", defined_symbols("-D", "--defined-only", inst.one("libzstack.so.0"))),
                          ("libzstack.a", defined_symbols("--extern-only", "--defined-only", inst.one("libzstack.a")))):
        foreign = sorted(s for s in symbols if not re.match(r"z_|ff_|ZSTACK_", s))
        peer.expect(not foreign, f"{what} exports {foreign}")
        peer.expect({"z_read", "z_write", "ff_init", "ff_kevent"} <= symbols, f"{what} does not export the calls")


def write_namesakes(path):
    """A function for every internal one of ours, which nobody may call: plain names like tcp_input belong to the application."""
    internal = defined_symbols("--extern-only", "--defined-only", os.path.join(peer.BUILD, "src/libzstack_core.a"))
    names = sorted(s for s in internal if re.fullmatch(r"[a-z]\w*", s) and not re.match(r"z_|ff_|rte_", s))
    peer.expect({"tcp_input", "arena_alloc", "wheel_arm"} <= set(names), "the internal names are not found")
    with open(path, "w", encoding="utf-8") as f:
        f.write("#include <stdlib.h>\n")
        for name in names:
            f.write(f"void {name}(void) {{ abort(); }}\n")
    return path


def serve_readme(lab, inst, tmp):
    """The page's server, which prints no counters and ends only by a signal."""
    with peer.program(lab, inst.build("readme", [readme_server(tmp)]), port=7) as server:
        for n in (1, 1000, 30_000):
            peer.echo(lab, n, port=7)
        server.process.kill()
        server.process.wait()
        server.process.returncode = 0
    print("README's server", flush=True)


def serve(lab, inst, program, what):
    os.environ["LD_LIBRARY_PATH"] = inst.libdir  # of the programs that follow
    with peer.program(lab, program, "7", port=7) as server:
        peer.echo(lab, 1_000_000, port=7)
    peer.expect_no_copies(server.counters)
    print(what, flush=True)


def readme_server(tmp):
    with open(os.path.join(peer.ROOT, "README.md"), encoding="utf-8") as f:
        text = f.read()
    path = os.path.join(tmp, "readme.c")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.split("```c\n")[1].split("```")[0])
    return path


def run(lab, tmp):
    inst = Installed(tmp)
    check_files(inst)
    check_symbols(inst)
    echo = os.path.join(peer.ROOT, "examples/echo.c")
    namesakes = write_namesakes(os.path.join(tmp, "namesakes.c"))
    serve(lab, inst, inst.build("shared", [echo]), "shared library")
    serve_readme(lab, inst, tmp)
    serve(lab, inst, inst.build("shared_names", [echo, namesakes], extra=["-rdynamic"]), "shared library, same names")
    serve(lab, inst, inst.build("static", [echo], package="libzstack-static"), "static library")
    serve(lab, inst, inst.build("static_names", [echo, namesakes], package="libzstack-static", extra=["-rdynamic"]), "static library, same names")
    host = os.path.join(tmp, "host.c")
    with open(host, "w", encoding="utf-8") as f:
        f.write(HOST)
    for package in ("libzstack", "libzstack-static"):
        plugin = inst.build(f"plugin-{package}.so", [echo], package, ["-shared", "-fPIC", "-Dmain=plugin_main"])
        program = os.path.join(tmp, f"host-{package}")
        sh(*CC, "-o", program, host, namesakes, f'-DPLUGIN="{plugin}"', "-rdynamic", "-ldl")
        serve(lab, inst, program, f"inside a shared object, {package}")
    if shutil.which("c++"):
        with open(os.path.join(tmp, "app.cc"), "w", encoding="utf-8") as f:
            f.write('#include "ff_api.h"\n#include "ff_epoll.h"\n#include "ff_veth.h"\n#include "z_api.h"\n#include "ff_config.h"\n#include "ff_log.h"\n')
        sh("c++", "-fsyntax-only", os.path.join(tmp, "app.cc"), *inst.flags("libzstack", "--cflags"))


def test(lab):
    tmp = tempfile.mkdtemp(prefix="zstack-e2e-")
    try:
        run(lab, tmp)
    finally:
        shutil.rmtree(tmp)


peer.main(test, commands=("ip", "ethtool", CC[0], "pkg-config", "meson", "nm"))
