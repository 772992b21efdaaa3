"""What GitHub's API and a bucket's listing say, and what of it is believed."""

import pytest
from file_server import Files, serving
from pull_lab import BUILD, NEW, OLD, Scene, both
from release_server import MACHINE, sha256
from tiny_kernel import tiny_kernel

from vmmcompose.errors import HostError
from vmmcompose.images.offers import secure


def test_later_pages_count(scene: Scene) -> None:
    scene.github.pages = [[], []]
    scene.github.pages[0].append({"tag_name": "v1.0", "assets": []})
    scene.github.release("kernel-6.1.150", {"vmlinux.bin": NEW})
    scene.pull()
    assert scene.content() == NEW
    assert [path for path, _ in scene.files.requests][:2] == [scene.github.page(1), scene.github.page(2)]
    scene.bucket.page_size = 2
    for patch in range(5):
        scene.bucket.put(f"{BUILD}/{MACHINE}/vmlinux-6.1.{patch}", tiny_kernel(f"{patch}: up\n"))
    scene.pull(force=True, origin="s3")
    assert scene.content() == tiny_kernel("4: up\n")


def test_only_whole_published_releases_for_this_machine_count(scene: Scene) -> None:
    other = "aarch64" if MACHINE == "x86_64" else "x86_64"
    scene.github.release("kernel-6.1.1", {f"vmlinux-{MACHINE}": NEW, f"vmlinux-{other}": OLD})
    scene.github.release("kernel-6.1.2", {"vmlinux": OLD}, draft=True)
    scene.github.release("kernel-6.1.3", {"vmlinux": OLD}, prerelease=True)
    scene.github.release("kernel-6.1.4", {"vmlinux": OLD}, sums=False)
    scene.github.release("kernel-6.1.5", {f"vmlinux-{other}": OLD})
    scene.github.release("kernel-6.1.6", {})
    scene.github.release("kernel-6.1.7", {"notes.txt": b"", "vmlinux.config": b""})
    scene.github.release("security-kernel-6.1.8", {"vmlinux": OLD})
    scene.pull()
    assert (scene.info()["version"], scene.content()) == ("6.1.1", NEW)


def test_githubs_own_digest_and_a_common_list_will_do(scene: Scene) -> None:
    scene.github.release("kernel-6.1.1", {"vmlinux": NEW}, sums=False, digests=True)
    scene.pull()
    sums = f"{'0' * 64}  other\n{sha256(OLD)} *./vmlinux\n".encode()
    scene.github.release("kernel-6.1.2", {"vmlinux": OLD, "SHA256SUMS": sums}, sums=False)
    scene.pull(force=True)
    assert scene.content() == OLD
    wrong = f"{sha256(OLD)}  other\n".encode()
    scene.github.release("kernel-6.1.3", {"vmlinux": OLD, "SHA256SUMS": wrong}, sums=False)
    with pytest.raises(HostError, match="has no SHA-256 of vmlinux"):
        scene.pull(force=True, origin="github")


@pytest.mark.parametrize(
    "page",
    [
        b"<html>login",
        b"{}",
        b'[1, {"assets": 3}, {"tag_name": "kernel-6.1.1", "assets": [[], {}]}]',
        b"\xff",
        b"[" * 9000,
    ],
)
def test_strange_answers_of_an_api_lead_to_the_bucket(scene: Scene, page: bytes) -> None:
    both(scene)
    scene.files.content[scene.github.page()] = page
    scene.pull()
    assert scene.content() == OLD


@pytest.mark.parametrize(
    "page",
    [b"<html>login", b"<html/>", b"\xff", b'<!DOCTYPE a [<!ENTITY b "c">]><ListBucketResult>&b;</ListBucketResult>',
     b"<ListBucketResult><CommonPrefixes/><Contents/></ListBucketResult>"],
)  # fmt: skip
def test_strange_listings_of_a_bucket_are_refused(scene: Scene, page: bytes) -> None:
    scene.bucket.put(f"{BUILD}/{MACHINE}/vmlinux-6.1.141", OLD)
    top = next(path for path in scene.files.content if "delimiter" in path)
    scene.files.content[top] = page
    with pytest.raises(HostError, match="cannot be had"):
        scene.pull(origin="s3")


def test_the_newest_build_of_the_bucket_counts(scene: Scene) -> None:
    for build in ("v1.9", "v1.13", "20240101-aaa-0", "20251231-bbb-0"):
        scene.bucket.put(f"firecracker-ci/{build}/{MACHINE}/vmlinux-6.1.5", tiny_kernel(f"{build}: up\n"))
    scene.bucket.put("firecracker-ci/20260105-ccc-0/other/vmlinux-6.1.5", OLD)
    scene.bucket.put(f"firecracker-ci/20251231-bbb-0/{MACHINE}/vmlinux-6.1.5.config", b"")
    scene.bucket.put(f"firecracker-ci/20251231-bbb-0/{MACHINE}/vmlinux-6.1.5-no-acpi", OLD)
    scene.pull()
    assert scene.content() == tiny_kernel("20251231-bbb-0: up\n")


def test_the_token_goes_to_the_api_alone(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    with serving(Files()) as elsewhere:
        path = scene.github.asset("kernel-6.1.150", "vmlinux.bin")
        scene.github.release("kernel-6.1.150", {"vmlinux.bin": NEW})
        scene.files.codes[path] = [302]
        scene.files.headers[path] = {"Location": elsewhere.url.replace("127.0.0.1", "localhost") + "/file"}
        elsewhere.content["/file"] = NEW
        scene.pull()
        assert scene.content() == NEW
        assert scene.files.asked(scene.github.page(), "Authorization") == ["Bearer secret"]
        assert scene.files.asked(path, "Authorization") == [""]
        assert elsewhere.asked("/file", "Authorization") == [""]


def test_a_proxy_of_the_environment_carries_everything(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.github.host = "http://github.example"
    scene.github.release("kernel-6.1.150", {"vmlinux.bin": NEW})
    monkeypatch.setenv("VMM_GITHUB_API", "http://api.github.example")
    monkeypatch.setenv("http_proxy", scene.files.url)
    monkeypatch.setenv("no_proxy", "")
    scene.pull()
    assert {path.split("/")[2] for path, _ in scene.files.requests} == {
        "api.github.example",
        "github.example",
    }


def test_an_encrypted_server_does_not_lead_to_a_plain_one() -> None:
    assert secure("http://mirror/file", "http://mirror") == "http://mirror/file"
    with pytest.raises(HostError, match="not encrypted"):
        secure("http://mirror/file", "https://api.github.com")
