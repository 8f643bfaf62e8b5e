import pytest
from middlebench.system import errors
from middlebench.system.command_result import CommandResult

RESULT = CommandResult("server", ("tool", "--flag", "two words"), 3, "\n".join(map(str, range(99))), "it broke\n")


def test_message_says_what_was_done_what_happened_and_what_to_try():
    message = str(errors.SwitchError("adding port x", "it is missing", "plug it in"))
    assert message == "adding port x: it is missing\n  what to try: plug it in"


def test_message_of_a_failed_command_has_host_command_status_and_the_end_of_both_streams():
    message = str(errors.HostError("running tool", "it failed", result=RESULT))
    assert "host server, exit status 3: tool --flag 'two words'" in message
    assert "end of stderr:\n    it broke" in message
    assert message.endswith("    97\n    98")
    assert "\n    86\n" not in message


def test_command_that_carries_a_script_is_shortened():
    command = CommandResult("server", ("sh", "-c", "x" * 5000), 1, "", "").command
    assert command.startswith("sh -c 'xxx")
    assert len(command) < 200


def test_every_kind_of_error_has_an_exit_status_of_its_own():
    kinds = [errors.MiddlebenchError, *errors.MiddlebenchError.__subclasses__()]
    statuses = [kind.exit_status for kind in kinds]
    assert len(set(statuses)) == len(kinds) > 5
    assert 0 not in statuses


@pytest.mark.parametrize("text", ["", "\n\n", "   \n"])
def test_empty_streams_are_left_out(text):
    result = CommandResult("server", ("true",), 1, text, text)
    assert "end of" not in str(errors.HostError("running true", "it failed", result=result))
