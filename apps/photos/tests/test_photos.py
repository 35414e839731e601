"""The pipeline, end to end, on whichever provider `--provider` names."""

from __future__ import annotations

import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import samples
from photos import bookkeeping, pipeline
from photos.app import Totals, totals
from photos.images import Facts, read_photo
from photos.keys import thumbnail_key, upload_key

from faasbridge import BlobEvent, Change, NotFound, Tick
from faasbridge.testing import Cloud


def put(url: str, data: bytes, headers: dict[str, str]) -> int:
    request = urllib.request.Request(url, data=data, method="PUT", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


def upload(cloud: Cloud, data: bytes, name: str = "beach.jpg", content_type: str = "image/jpeg") -> str:
    """Through the front door, as the page does it: ask for a signed URL, then PUT to storage. Gives the photo's id."""
    answer = cloud.client().post("/uploads", json={"name": name, "size": len(data), "type": content_type})
    assert answer.status == 201, answer.text()
    target = answer.json()
    assert put(target["url"], data, target["headers"]) < 300
    cloud.settle()
    return str(target["photo_id"])


def listed(cloud: Cloud) -> list[dict[str, Any]]:
    photos: list[dict[str, Any]] = cloud.client().get("/photos").json()["photos"]
    return photos


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        data: bytes = answer.read()
        return data


def keys(cloud: Cloud, bucket: str) -> list[str]:
    return [info.key for info in cloud.bucket(bucket).list()]


def test_an_upload_becomes_a_thumbnail_and_a_row(cloud: Cloud) -> None:
    data = samples.from_camera(6)

    photo_id = upload(cloud, data, "Straße #1 & 100%.jpg")

    (photo,) = listed(cloud)
    assert photo["photo_id"] == photo_id
    assert photo["name"] == "Straße #1 & 100%.jpg"
    assert photo["status"] == "ready"
    assert (photo["width"], photo["height"], photo["size"]) == (500, 375, len(data))
    assert (photo["camera"], photo["taken_at"]) == ("NIKON D750", "2026-03-29T14:30:05+02:00")
    assert samples.opened(fetch(photo["thumbnail_url"])).size == (480, 360)

    shown = cloud.client().get(f"/photos/{photo_id}").json()
    assert fetch(shown["original_url"]) == data


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_arrives_upright(cloud: Cloud, orientation: int) -> None:
    photo_id = upload(cloud, samples.from_camera(orientation))
    thumbnail = cloud.bucket("thumbnails").get(thumbnail_key(photo_id))
    assert samples.opened(thumbnail).size == (480, 360)


@pytest.mark.parametrize(
    ("name", "content_type", "data", "thumbnail"),
    [
        ("print.jpg", "image/jpeg", samples.cmyk, (480, 360)),
        ("logo.png", "image/png", samples.see_through_png, (480, 360)),
        ("large.jpg", "image/jpeg", samples.fifty_megapixels, (480, 320)),
    ],
    ids=["CMYK", "PNG with alpha", "50 megapixels"],
)
def test_unusual_photos_work_too(
    cloud: Cloud, name: str, content_type: str, data: Any, thumbnail: tuple[int, int]
) -> None:
    photo_id = upload(cloud, data(), name, content_type)
    assert [photo["status"] for photo in listed(cloud)] == ["ready"]
    assert samples.opened(cloud.bucket("thumbnails").get(thumbnail_key(photo_id))).size == thumbnail


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"Dear diary,\n", "This is not a photo: the file holds no JPEG, PNG, WebP or GIF image."),
        (samples.truncated(), "The photo is incomplete: the file was cut off before its end."),
    ],
    ids=["text", "truncated"],
)
def test_what_is_no_photo_fails_with_a_reason_and_is_in_the_dead_letters(
    cloud: Cloud, data: bytes, reason: str
) -> None:
    photo_id = upload(cloud, data, "diary.jpg")

    (photo,) = listed(cloud)
    assert (photo["status"], photo["reason"], photo["thumbnail_url"]) == ("failed", reason, None)
    assert keys(cloud, "thumbnails") == []
    assert [letter.subject for letter in cloud.dead_letters("make_thumbnail")] == [upload_key(photo_id, "diary.jpg")]


def test_an_object_that_the_page_did_not_upload_is_in_the_dead_letters(cloud: Cloud) -> None:
    cloud.bucket("uploads").put("incoming/stray.jpg", samples.photograph())
    cloud.settle()
    assert listed(cloud) == []
    assert len(cloud.dead_letters("make_thumbnail")) == 1


def test_delete_cleans_up(cloud: Cloud) -> None:
    kept = upload(cloud, samples.photograph(), "kept.jpg")
    gone = upload(cloud, samples.photograph(), "gone.jpg")

    assert cloud.client().delete(f"/photos/{gone}").status == 204
    cloud.settle()

    assert [photo["photo_id"] for photo in listed(cloud)] == [kept]
    assert keys(cloud, "uploads") == [upload_key(kept, "kept.jpg")]
    assert keys(cloud, "thumbnails") == [thumbnail_key(kept)]
    assert cloud.client().get(f"/photos/{gone}").status == 404
    assert cloud.client().delete(f"/photos/{gone}").status == 404


def test_deleting_the_upload_itself_cleans_up_as_well(cloud: Cloud) -> None:
    photo_id = upload(cloud, samples.photograph())
    cloud.bucket("uploads").delete(upload_key(photo_id, "beach.jpg"))
    cloud.settle()
    assert listed(cloud) == []
    assert keys(cloud, "thumbnails") == []


def test_an_event_delivered_twice_does_nothing_twice(cloud: Cloud) -> None:
    photo_id = upload(cloud, samples.from_camera())
    key = upload_key(photo_id, "beach.jpg")
    row = cloud.table("photos").get(photo_id)
    thumbnail = cloud.bucket("thumbnails").head(thumbnail_key(photo_id))
    counted = cloud.table("totals").get("all")
    info = cloud.bucket("uploads").head(key)

    cloud.invoke("make_thumbnail", BlobEvent("uploads", key, size=info.size, etag=info.etag))
    cloud.settle()

    assert cloud.table("photos").get(photo_id) == row
    assert cloud.bucket("thumbnails").head(thumbnail_key(photo_id)).modified == thumbnail.modified
    assert cloud.table("totals").get("all") == counted
    assert len(list(cloud.table("activity").scan())) == 1


def test_a_late_create_event_does_not_bring_a_deleted_photo_back(cloud: Cloud) -> None:
    photo_id = upload(cloud, samples.photograph())
    cloud.client().delete(f"/photos/{photo_id}")
    cloud.settle()

    cloud.invoke("make_thumbnail", BlobEvent("uploads", upload_key(photo_id, "beach.jpg"), size=1))
    cloud.settle()

    assert listed(cloud) == []
    assert keys(cloud, "thumbnails") == []


def test_a_photo_deleted_while_its_thumbnail_is_made_leaves_nothing(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo_id = upload(cloud, samples.photograph())
    key = upload_key(photo_id, "beach.jpg")
    cloud.table("photos").delete(photo_id)
    cloud.settle()

    def read_while_it_is_deleted(data: bytes) -> tuple[Facts, bytes]:
        cloud.bucket("uploads").delete(key)
        cloud.settle()
        return read_photo(data)

    monkeypatch.setattr(pipeline, "read_photo", read_while_it_is_deleted)
    pipeline.make_thumbnail(BlobEvent("uploads", key))
    cloud.settle()

    assert listed(cloud) == []
    assert keys(cloud, "thumbnails") == []


def test_a_late_delete_event_does_not_take_an_upload_that_is_there(cloud: Cloud) -> None:
    photo_id = upload(cloud, samples.photograph())
    cloud.invoke("forget", BlobEvent("uploads", upload_key(photo_id, "beach.jpg"), kind="delete"))
    cloud.settle()
    assert [photo["photo_id"] for photo in listed(cloud)] == [photo_id]
    assert keys(cloud, "thumbnails") == [thumbnail_key(photo_id)]


def test_totals_and_activity_follow(cloud: Cloud) -> None:
    first = upload(cloud, samples.from_camera(), "one.jpg")
    upload(cloud, samples.photograph(), "two.jpg")
    upload(cloud, b"no image", "three.jpg")
    cloud.dead_letters("make_thumbnail")
    sizes = {photo["name"]: photo["size"] for photo in listed(cloud)}

    totals = cloud.client().get("/photos").json()["totals"]
    assert totals == {"photos": 2, "failed": 1, "size": sum(sizes.values())}

    cloud.client().delete(f"/photos/{first}")
    cloud.settle()
    assert cloud.client().get("/photos").json()["totals"] == {
        "photos": 1,
        "failed": 1,
        "size": sizes["two.jpg"] + sizes["three.jpg"],
    }
    texts = [entry["text"][6:] for entry in cloud.table("activity").scan()]
    assert sorted(texts) == ["one.jpg, taken with NIKON D750", "two.jpg"]
    day = next(iter(cloud.table("activity").scan()))["day"]
    assert len(cloud.client().get("/activity", query={"day": day}).json()["entries"]) == 2


def test_a_count_that_is_overtaken_counts_again(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    upload(cloud, samples.photograph())
    put_totals = totals.put
    overtaken: list[bool] = []

    def put_after_somebody_else(row: Totals, **condition: Any) -> None:
        if not overtaken:
            overtaken.append(True)
            put_totals({**row, "photos": 99})
        put_totals(row, **condition)

    monkeypatch.setattr(totals, "put", put_after_somebody_else)
    bookkeeping.count(Change("photos", "x", "update"))

    assert overtaken
    assert cloud.client().get("/photos").json()["totals"]["photos"] == 1


def test_newest_come_first_page_by_page(cloud: Cloud) -> None:
    rows = cloud.table("photos")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for i in range(65):
        rows.put(
            {
                **dict.fromkeys(("reason", "width", "height", "camera", "taken_at")),
                "photo_id": f"p{i:02}",
                "album": "all",
                "key": f"incoming/p{i:02}/x.jpg",
                "name": "x.jpg",
                "status": "failed",
                "etag": "",
                "size": 1,
                "uploaded_at": (start + timedelta(minutes=i)).isoformat(timespec="microseconds"),
            }
        )
    first = cloud.client().get("/photos").json()
    second = cloud.client().get("/photos", query={"cursor": first["next"]}).json()
    ids = [photo["photo_id"] for photo in first["photos"] + second["photos"]]
    assert ids == [f"p{i:02}" for i in reversed(range(65))]
    assert len(first["photos"]) == 60
    assert second["next"] is None


def test_the_sweep_removes_orphans_that_are_a_day_old(cloud: Cloud) -> None:
    kept = upload(cloud, samples.photograph(), "kept.jpg")
    rowless = upload(cloud, samples.photograph(), "rowless.jpg")
    cloud.table("photos").delete(rowless)
    cloud.bucket("thumbnails").put("nobody.jpg", b"x")
    cloud.settle()
    now = datetime.now(UTC)

    cloud.invoke("sweep", Tick(now))
    cloud.settle()
    assert len(keys(cloud, "uploads")) == 2
    assert len(keys(cloud, "thumbnails")) == 3

    cloud.invoke("sweep", Tick(now + timedelta(days=1, minutes=1)))
    cloud.settle()
    assert keys(cloud, "uploads") == [upload_key(kept, "kept.jpg")]
    assert keys(cloud, "thumbnails") == [thumbnail_key(kept)]
    assert [photo["photo_id"] for photo in listed(cloud)] == [kept]


def test_the_sweep_removes_rows_whose_upload_is_gone(cloud: Cloud) -> None:
    photo_id = upload(cloud, samples.photograph())
    row = cloud.table("photos").get(photo_id)
    assert row is not None
    cloud.table("photos").put({**row, "photo_id": "ghost", "key": "incoming/ghost/x.jpg"})

    cloud.invoke("sweep", Tick(datetime.now(UTC)))
    cloud.settle()

    assert [photo["photo_id"] for photo in listed(cloud)] == [photo_id]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "a.jpg", "size": 10, "type": "image/svg+xml"}, 415),
        ({"name": "a.jpg", "size": 41_000_000, "type": "image/jpeg"}, 413),
        ({"name": "a.jpg", "size": 0, "type": "image/jpeg"}, 422),
        ({"name": " ", "size": 10, "type": "image/jpeg"}, 400),
        ({"name": "a.jpg", "size": "10", "type": "image/jpeg"}, 400),
        ({"name": "a.jpg"}, 400),
        (["a.jpg"], 400),
    ],
)
def test_an_upload_that_would_fail_is_refused_before_it_starts(cloud: Cloud, body: Any, status: int) -> None:
    assert cloud.client().post("/uploads", json=body).status == status


def test_the_signed_url_takes_nothing_but_that_type(cloud: Cloud) -> None:
    target = cloud.client().post("/uploads", json={"name": "a.jpg", "size": 9, "type": "image/jpeg"}).json()
    assert put(target["url"], b"<script/>", {"content-type": "text/html"}) in (400, 401, 403, 415)
    with pytest.raises(NotFound):
        cloud.bucket("uploads").head(upload_key(target["photo_id"], "a.jpg"))


def test_the_page_is_served_with_its_policy(cloud: Cloud) -> None:
    answer = cloud.client().get("/")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<h1>Photos</h1>" in answer.text()
    target = cloud.client().post("/uploads", json={"name": "a.jpg", "size": 9, "type": "image/jpeg"}).json()
    origin = "/".join(target["url"].split("/")[:3])
    assert origin in answer.headers["content-security-policy"]
