"""What is done to dumps of MySQL on their way into a database; whole backups are tried on the engine rung, with MariaDB."""

import subprocess

import pytest

from components.pods.backup_scripts import FILES

CREATED = """CREATE TABLE `spans` (
  `begin` bigint NOT NULL,
  `end` bigint DEFAULT NULL,
  `took` bigint {generated}DEFAULT NULL,
  KEY `t` (`took`)
) ENGINE=InnoDB;
"""
GENERATED = "GENERATED ALWAYS AS ((`end` - `begin`)) STORED "


def _filtered(function: str, text: str, version: str = "9.7.4") -> str:
    common = FILES["common.sh"]
    functions = common[common.index("lines() {") : common.index("# 10 and 12:")]
    program = f"in_mysql() {{ echo {version}; }}\n{functions}\n{function}"
    return subprocess.run(["sh", "-c", program], input=text, capture_output=True, text=True, check=True).stdout


def test_rows_are_loaded_together() -> None:
    odd = "'it\\'s (odd);\\nINSERT INTO `x` VALUES ('"
    rows = [f"INSERT INTO `a` VALUES ({number},{odd});" for number in range(1500)]
    named = [f"INSERT INTO `spans` (`begin`, `end`) VALUES ({number},NULL);" for number in range(2)]
    large = f"INSERT INTO `a` VALUES ('{'x' * 2_000_000}');"
    loaded = _filtered("together", "\n".join(["SET x=1;", *rows, "-- b", *named, large, large, "-- c", ""]))
    statements = loaded.split(";\n")
    assert [each.count("\n(") + 1 for each in statements if each.startswith("INSERT INTO `a`")] == [1000, 500, 1, 1]
    assert "-- b\nINSERT INTO `spans` (`begin`, `end`) VALUES (0,NULL),\n(1,NULL);\n" in loaded
    assert loaded.startswith("SET x=1;\n") and loaded.endswith("');\n-- c\n")
    assert loaded.replace(",\n(", ";\nINSERT INTO `a` VALUES (", 999).splitlines()[1:1001] == rows[:1000]


@pytest.mark.parametrize(("version", "changed"), [("9.7.4", True), ("10.6.1-MariaDB-log", False)])
def test_a_column_of_mysql_is_generated_once_its_rows_are_there(version: str, changed: bool) -> None:
    rows = "INSERT INTO `spans` VALUES (1,3,2);\n"
    dump = CREATED.format(generated=GENERATED) + rows
    later = f"ALTER TABLE `spans` MODIFY COLUMN  `took` bigint {GENERATED}DEFAULT NULL;\n"
    expected = CREATED.format(generated="") + rows + later if changed else dump
    assert _filtered("generated_later", dump, version) == expected
