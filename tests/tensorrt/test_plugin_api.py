"""What plugins use of TensorRT against the listings of all its versions."""

from __future__ import annotations

import inspect

import api_listing
import pytest

from trtnn.backends.tensorrt.plugins.runtime import SitePlugin

CAPABILITIES = ("IPluginV3", "IPluginV3OneCore", "IPluginV3OneBuild", "IPluginV3OneRuntime")


def test_our_methods_take_what_every_version_gives_them():
    """Names and counts against the listings: TensorRT calls these by name, with positional arguments."""
    ours = {name: member for name, member in vars(SitePlugin).items() if not name.startswith("_")}
    for version, listing in api_listing.listings().items():
        members = {name: found for one in CAPABILITIES for name, found in listing[one].items()}
        for name, member in ours.items():
            taken = list(inspect.signature(member).parameters)[1:]
            assert name in members, f"{version} lacks {name}"
            assert any(len(signature) == len(taken) for signature in members[name]), f"{version}: {name}{taken}"


@pytest.mark.parametrize("name", ["num_outputs", "plugin_name", "plugin_version", "plugin_namespace"])
def test_our_properties_can_be_set_in_every_version(name):
    for listing in api_listing.listings().values():
        assert "property" in [listing[one].get(name) for one in CAPABILITIES]


def test_what_networks_and_registries_are_asked_for_is_in_every_version():
    for version, listing in api_listing.listings().items():
        registry = listing["IPluginRegistry"]
        assert ["type", "version", "plugin_namespace="] in registry["get_creator"]
        assert ["creator", "plugin_namespace="] in registry["register_creator"]
        assert registry["load_library"] == [["plugin_path"]] and "all_creators" in registry
        if not version.startswith("rtx"):
            network = listing["INetworkDefinition"]
            assert ["func", "aot"] in network["add_plugin"]
            assert network["add_plugin_v3"] == [["inputs", "shape_inputs", "plugin"]]
            assert {"SUM", "SUB", "PROD", "FLOOR_DIV", "MAX"} <= set(listing["DimensionOperation"])
            assert {f"{part}_{axis}" for part in ("grid", "block") for axis in "xyz"} <= set(
                listing["KernelLaunchParams"]
            )
