# SPDX-License-Identifier: BSD-3-Clause
"""The policy and the rules of doc/guide, given to a real gateway."""
import json
import re
import subprocess

from gateway import BUCKET
from s3_support import S3Test, setUpModule
from support import PATIENCE, TESTS

CONVERT = 'qemu-img convert -n in.qcow2 -O raw "$uri"'
WRITER = {"AWS_ACCESS_KEY_ID": "WAK", "AWS_SECRET_ACCESS_KEY": "WSK"}


def block(page: str, language: str) -> str:
    """The only one of its language in a page of the guide."""
    text = (TESTS.parent / "doc/guide" / page).read_text()
    found, = re.findall(r"^```{}\n(.*?)^```".format(language), text, re.M | re.S)
    return found


class GuideTest(S3Test):
    def s3cmd(self, *words: str, status: int = 0, **more) -> str:
        host = self.gateway.endpoint.removeprefix("http://")
        keys = more.pop("keys", ("AK", "SK"))
        return self.run_command("s3cmd", "-c", "/dev/null", "--no-ssl", "--host=" + host,
                                "--host-bucket=" + host, "--access_key=" + keys[0],
                                "--secret_key=" + keys[1], *words, status=status, **more)


class Policy(GuideTest):
    """A user of the gateway that has nothing but the policy of s3-permissions.md."""

    def setUp(self) -> None:
        super().setUp()
        subprocess.run(["radosgw-admin", "user", "create", "--uid=writer", "--display-name=writer",
                        "--access-key=WAK", "--secret-key=WSK"], timeout=PATIENCE, check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # it may be there
        policy = json.loads(block("s3-permissions.md", "json").replace(":::backup", ":::" + BUCKET))
        for statement in policy["Statement"]:
            statement["Principal"] = {"AWS": ["arn:aws:iam:::user/writer"]}
        with open(self.path("policy.json"), "w") as file:
            json.dump(policy, file)
        self.s3cmd("setpolicy", "policy.json", "s3://" + BUCKET)
        self.addCleanup(self.s3cmd, "delpolicy", "s3://" + BUCKET)
        self.owner, self.environment = self.environment, self.environment | WRITER

    def test_lets_a_backup_be_written_that_its_owner_can_read_and_no_other_key(self):
        disk = self.make_disk()
        log = self.upload(CONVERT, "-o", "headers=x-amz-acl: bucket-owner-full-control",
                          key="nightly/key")
        self.assertNotIn("warning", log)
        self.assertIn("access is denied", self.upload(CONVERT, key="elsewhere", status=1))
        self.environment = self.owner
        self.assert_object(disk, "nightly/key")

    def test_lets_an_upload_be_aborted(self):
        self.make_disk()
        self.upload(CONVERT + "; exit 3", key="nightly/key", status=3)
        self.assert_nothing_left()

    def test_lets_nothing_be_deleted(self):
        self.make_disk()
        self.upload(CONVERT, key="nightly/key")
        self.s3cmd("del", "s3://{}/nightly/key".format(BUCKET), status=77, keys=("WAK", "WSK"))
        self.assertEqual(self.objects(), ["nightly/key"])


class Lifecycle(GuideTest):
    def test_rules_are_taken_and_kept(self):
        with open(self.path("rules.xml"), "w") as file:
            file.write(block("lifecycle.md", "xml"))
        self.s3cmd("setlifecycle", "rules.xml", "s3://" + BUCKET)
        self.addCleanup(self.s3cmd, "dellifecycle", "s3://" + BUCKET)
        kept = self.s3cmd("getlifecycle", "s3://" + BUCKET)
        self.assertIn("<DaysAfterInitiation>3<", kept)
        self.assertIn("<Days>30<", kept)
