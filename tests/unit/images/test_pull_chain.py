"""The chain from which kernels come: GitHub's releases, Firecracker's bucket, in this order, whatever breaks."""

import re
import threading

import pytest
from pull_lab import BUILD, NEW, OLD, Scene, both
from release_server import MACHINE, REPO
from tiny_kernel import tiny_kernel

from vmmcompose.errors import HostError, UsageError
from vmmcompose.host import store
from vmmcompose.images import pull
from vmmcompose.model.settings import Settings


def test_the_newest_release_comes_first(scene: Scene) -> None:
    scene.github.release("kernel-6.1.9", {"vmlinux.bin": OLD})
    scene.github.release("kernel-6.1.150", {"vmlinux.bin": NEW})
    scene.github.release("rootfs-24.04-20260105", {"rootfs.ext4.gz": b"no kernel"})
    assert scene.pull("").name == "6.1.150"
    assert scene.content("6.1.150") == NEW
    assert scene.info("6.1.150")["source"] == f"github.com/{REPO} kernel-6.1.150"
    assert scene.info("6.1.150")["version"] == "6.1.150"
    assert store.default_kernel(scene.paths) == "6.1.150"
    assert scene.leftovers() == []


def test_what_is_there_is_not_fetched(scene: Scene) -> None:
    both(scene)
    scene.pull()
    scene.files.requests.clear()
    scene.pull()
    scene.pull("")
    scene.pull("default")
    assert scene.files.requests == []
    assert scene.said[-1] == "kernel default is in the store already"
    scene.pull(force=True)
    assert scene.files.requests != []


def test_a_series_is_its_newest_version(scene: Scene) -> None:
    for version in ("6.1.9", "6.1.10", "6.12.3", "5.10.200"):
        scene.github.release(f"kernel-{version}", {"vmlinux": tiny_kernel(f"{version}: up\n")})
    scene.pull("6.1")
    scene.pull("5.10.200")
    assert (scene.info("6.1")["version"], scene.info("5.10.200")["version"]) == ("6.1.10", "5.10.200")
    with pytest.raises(HostError, match=re.escape("no kernel 6.6 for this machine")):
        scene.pull("6.6", origin="github")


@pytest.mark.parametrize("code", [404, 403, 429, 500, 401])
def test_an_api_that_refuses_leads_to_the_bucket(scene: Scene, code: int) -> None:
    both(scene)
    scene.files.codes[scene.github.page()] = [code] * 4
    scene.files.headers[scene.github.page()] = {
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": "1764000000",
    }
    scene.pull()
    assert scene.content() == OLD
    why = next(line for line in scene.said if "trying" in line)
    assert why.startswith(f"releases of {REPO}: ")
    assert why.endswith("; trying Firecracker's bucket")
    assert ("no more requests until" in why) == (code in (403, 429))
    source = scene.info()["source"]
    assert (
        source
        == f"Firecracker's bucket, 20260105-abc123-0/{MACHINE}/vmlinux-6.1.141 (not signed, MD5 of the listing)"
    )


def test_a_wrong_checksum_leads_to_the_bucket(scene: Scene) -> None:
    both(scene)
    scene.files.content[scene.github.asset("kernel-6.1.150", "vmlinux.bin")] = NEW[:-4] + b"evil"
    scene.pull()
    assert scene.content() == OLD
    assert any("wrong sha256" in line for line in scene.said)
    assert scene.leftovers() == []


def test_a_wrong_md5_in_the_bucket_is_refused(scene: Scene) -> None:
    both(scene)
    scene.files.content[f"/bucket/{BUILD}/{MACHINE}/vmlinux-6.1.141"] = OLD[:-4] + b"evil"
    with pytest.raises(HostError, match="wrong md5"):
        scene.pull(origin="s3")
    assert store.list_kernels(scene.paths) == {}
    assert scene.leftovers() == []


def test_an_upload_in_parts_is_known_by_its_length(scene: Scene) -> None:
    key = f"{BUILD}/{MACHINE}/vmlinux-6.1.141"
    scene.bucket.in_parts.add(key)
    scene.bucket.put(key, OLD)
    scene.pull()
    assert "only its length is known" in str(scene.info()["source"])
    scene.files.content[f"/bucket/{key}"] = OLD + b"more"
    with pytest.raises(HostError, match=f"should have {len(OLD)}"):
        scene.pull(force=True, origin="s3")


def test_a_cut_download_goes_on(scene: Scene) -> None:
    kernel = tiny_kernel("x" * (1 << 20))
    scene.github.release("kernel-6.1.150", {"vmlinux.bin": kernel})
    path = scene.github.asset("kernel-6.1.150", "vmlinux.bin")
    scene.files.cut[path] = [0.6]
    scene.pull()
    first, second = scene.files.asked(path, "Range")
    start = int(second.removeprefix("bytes=").removesuffix("-"))
    assert (first, scene.content()) == ("", kernel)
    assert 0.5 * len(kernel) < start <= 0.6 * len(kernel)


def test_nothing_anywhere_is_one_error_with_every_reason(scene: Scene) -> None:
    with pytest.raises(HostError, match="cannot be had from any of 2 sources") as caught:
        scene.pull()
    github, bucket = caught.value.problems
    assert (github.code, bucket.code) == ("pull.github", "pull.s3")
    assert f"releases of {REPO}" in github.message
    assert "404" in github.message
    assert "404" in bucket.message


def test_a_host_without_a_network_is_told_so(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMM_GITHUB_API", "http://127.0.0.1:9")
    monkeypatch.setenv("VMM_S3_URL", "http://127.0.0.1:9/bucket")
    with pytest.raises(HostError) as caught:
        scene.pull()
    assert all("the connection was refused" in problem.message for problem in caught.value.problems)
    assert all("proxy" in problem.hint for problem in caught.value.problems)


def test_what_is_no_kernel_is_the_servers_fault(scene: Scene) -> None:
    both(scene)
    scene.github.release("kernel-6.1.151", {"vmlinux": b"<html>sorry</html>"})
    scene.pull()
    assert scene.content() == OLD
    assert any("vmlinux: " in line and "is no kernel" in line for line in scene.said)


def test_one_source_alone(scene: Scene) -> None:
    both(scene)
    scene.pull(origin="s3")
    assert scene.content() == OLD
    settings = Settings()
    with pytest.raises(UsageError, match="no repository is known"):
        pull.pull_kernel(scene.paths, settings, "x", scene.said.append, origin="github")
    with pytest.raises(UsageError, match="does not come from build"):
        scene.pull("6.6", origin="build")


def test_two_at_once_fetch_once(scene: Scene) -> None:
    scene.github.release("kernel-6.1.150", {"vmlinux.bin": tiny_kernel("x" * (1 << 20))})
    path = scene.github.asset("kernel-6.1.150", "vmlinux.bin")
    threads = [threading.Thread(target=scene.pull) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(scene.files.asked(path, "Range")) == 1
    assert "kernel 6.1 is in the store already" in scene.said


def test_a_kernel_that_is_there_stays_when_nothing_better_comes(scene: Scene) -> None:
    both(scene)
    scene.pull()
    scene.files.content.clear()
    with pytest.raises(HostError):
        scene.pull(force=True)
    assert scene.content() == NEW
