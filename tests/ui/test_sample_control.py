"""The Sample tab with its queue of jobs: sheets against the core, clicks, keys, new weights, cancelling."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
import small_models
import tips
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QLabel, QLineEdit, QProgressBar, QPushButton, QSpinBox, QWidget
from small_models import decoded, rounds_to

from vae_studio.core import sampling
from vae_studio.core.config import DataConfig, SquaredErrorConfig
from vae_studio.core.plane import Plane
from vae_studio.core.samples import Around, OfClass, Prior, SampleRequest, SampleSheet
from vae_studio.core.scene import Scene, Version
from vae_studio.ui.controls import ValueSlider
from vae_studio.ui.sample_control import SampleControl
from vae_studio.ui.workers import Jobs

WAIT = 60_000
LEFT = Qt.MouseButton.LeftButton
NAMES = tuple("0123456789")


class Sampling:
    """The control on a panel that is seen, with what it said."""

    def __init__(self, qtbot, jobs: Jobs) -> None:
        self.qtbot = qtbot
        self.control = SampleControl(jobs)
        self.panel, self.grid = self.control.panel, self.control.panel.grid
        self.chosen, self.failures, self.sheets = [], [], []
        self.control.point_chosen.connect(self.chosen.append)
        self.control.failed.connect(self.failures.append)
        show = self.panel.show_sheet
        self.panel.show_sheet = lambda sheet: (self.sheets.append(sheet), show(sheet))
        self.control.set_class_names(NAMES)
        qtbot.addWidget(self.panel)
        self.panel.resize(760, 560)
        with qtbot.waitActive(self.panel):
            self.panel.show()
            self.panel.activateWindow()

    def look_at(self, model: object, point: tuple[float, ...] = (), *, lineage: int = 1, number: int = 0) -> None:
        dims = model.latent_dims
        plane = Plane.of_axes((0, min(1, dims - 1)), dims)
        self.scene = Scene(model, Version(lineage, number), point or (0.0,) * dims, plane)
        self.control.follow(self.scene)

    def move(self, *point: float) -> None:
        self.scene = replace(self.scene, point=point)
        self.control.follow(self.scene)

    def find(self, kind: type, name: str) -> QWidget:
        found = self.panel.findChild(kind, name)
        assert found is not None, name
        return found

    def says(self, name: str) -> str:
        return self.find(QLabel, name).text()

    def sheet(self, request: SampleRequest, model: object = None) -> SampleSheet:
        """The newest sheet, once it is that of this request."""
        self.qtbot.waitUntil(lambda: bool(self.sheets) and self.sheets[-1].request == request, timeout=WAIT)
        *_, expected = sampling.sample_steps(model or self.scene.model, request)
        found = self.sheets[-1]
        assert np.array_equal(found.points, expected.points) and np.array_equal(found.images, expected.images)
        return found

    def choose(self, name: str, text: str) -> None:
        combo = self.find(QComboBox, name)
        combo.setFocus()
        index = combo.findText(text)
        while combo.currentIndex() != index:
            QTest.keyClick(combo, Qt.Key.Key_Down if combo.currentIndex() < index else Qt.Key.Key_Up)

    def type(self, kind: type, name: str, text: str) -> None:
        field = self.find(kind, name)
        field.setFocus()
        field.selectAll()
        QTest.keyClicks(field.findChild(QLineEdit), text)
        QTest.keyClick(field, Qt.Key.Key_Return)

    def press(self, name: str) -> None:
        button = self.find(QPushButton, name)
        assert button.isVisible() and button.isEnabled(), name
        self.qtbot.mouseClick(button, LEFT)


@pytest.fixture
def jobs(qtbot):
    jobs = Jobs("sample jobs")
    jobs.start()
    yield jobs
    jobs.stop()
    assert jobs.wait(WAIT)


@pytest.fixture
def sampling_(qtbot, jobs):
    made = Sampling(qtbot, jobs)
    yield made
    made.control.close()


@pytest.fixture(scope="module")
def explorer():
    return small_models.explorer()


@pytest.fixture(scope="module")
def small():
    return small_models.mlp(3)


def test_every_choice_makes_the_sheet_that_the_core_makes(sampling_, small):
    it, request = sampling_, SampleRequest(Prior(), count=60)
    it.look_at(small)
    first = it.sheet(request)
    assert it.says("sample_title") == "Samples from the prior"
    assert it.says("sample_about") == "mean of p(x|z) at z ~ N(0, I)"
    it.press("sample_new_button")
    assert not np.array_equal(it.sheet(replace(request, seed=1)).points, first.points)
    it.type(QSpinBox, "sample_seed", "0")
    assert np.array_equal(it.sheet(request).points, first.points), "a sheet can be had again"
    it.type(QDoubleSpinBox, "sample_temperature_field", "0.5")
    request = replace(request, temperature=0.5)
    assert it.sheet(request).points == pytest.approx(0.5 * first.points)
    assert it.says("sample_about").endswith("z ~ N(0, 0.5² I)")
    it.press("sample_draw_chip")
    request = replace(request, draw=True)
    assert set(np.unique(it.sheet(request).images)) == {0, 255}
    assert it.says("sample_about").startswith("a draw from p(x|z)")
    it.choose("sample_count", "12 images")
    request = replace(request, count=12)
    it.sheet(request)
    slider = it.find(QWidget, "sample_temperature")
    QTest.mouseDClick(slider, LEFT)
    it.press("sample_mean_chip")
    it.sheet(SampleRequest(count=12))
    it.choose("sample_source", "Around the point")
    it.type(QDoubleSpinBox, "sample_radius", "0.25")
    it.sheet(SampleRequest(Around((0.0, 0.0, 0.0), 0.25), count=12))
    assert it.says("sample_about").endswith("z ~ N(point, 0.25² I)")
    assert not it.failures


def test_a_click_and_keys_send_exactly_the_point_of_the_image(sampling_, small):
    it = sampling_
    it.look_at(small)
    sheet = it.sheet(SampleRequest())
    QTest.mouseClick(it.grid, LEFT, Qt.KeyboardModifier.NoModifier, it.grid.sample_rect(17).center())
    assert it.chosen == [tuple(sheet.points[17].tolist())]
    assert rounds_to(sheet.images[17:18], decoded(small, np.array(it.chosen)))
    assert it.grid.outlined is None, "it is the point's image that is outlined, whoever moved it"
    it.move(*it.chosen[0])
    assert it.grid.outlined == 17
    columns = next(i for i in range(1, 60) if it.grid.sample_rect(i).top() > it.grid.sample_rect(0).top())
    it.grid.setFocus()
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Down, Qt.Key.Key_Left, Qt.Key.Key_Left, Qt.Key.Key_Return):
        QTest.keyClick(it.grid, key)
    assert it.chosen[1:] == [tuple(sheet.points[17 + columns - 1].tolist())]
    assert f"Sample {17 + columns} of 60 · ‖z‖ = " in it.grid.accessibleDescription()
    norm = float(it.grid.accessibleDescription().rpartition("= ")[2])
    assert norm == pytest.approx(np.linalg.norm(sheet.points[17 + columns - 1]), abs=6e-4)
    QTest.mousePress(it.grid, LEFT, Qt.KeyboardModifier.NoModifier, it.grid.sample_rect(3).center())
    QTest.mouseRelease(it.grid, LEFT, Qt.KeyboardModifier.NoModifier, it.grid.sample_rect(4).center())
    assert len(it.chosen) == 2, "a press that is taken elsewhere chooses nothing"
    it.move(0.0, 0.0, 0.0)
    assert it.grid.outlined is None


def test_around_the_point_follows_once_the_point_rests(sampling_, small, qtbot):
    it = sampling_
    it.look_at(small)
    it.choose("sample_source", "Around the point")
    it.sheet(SampleRequest(Around((0.0, 0.0, 0.0))))
    before = len(it.sheets)
    it.control._rest.setInterval(WAIT)  # however busy the machine is, the point moves on
    for share in range(1, 8):
        it.move(0.1 * share, 0.0, 0.0)
        qtbot.wait(10)
    assert len(it.sheets) == before
    it.control._rest.setInterval(1)
    it.sheet(SampleRequest(Around((0.1 * 7, 0.0, 0.0))))
    assert len(it.sheets) == before + 1
    it.choose("sample_source", "Prior p(z)")
    it.sheet(SampleRequest())
    it.move(1.0, 1.0, 1.0)
    assert not it.control._rest.isActive(), "samples of the prior stay"


def test_new_weights_draw_the_same_sheet_again_and_a_new_model_another(sampling_, small):
    it, newer, other = sampling_, small_models.mlp(3, seed=5), small_models.of(small_models.COLOUR, latent_dims=2)
    it.look_at(small)
    it.sheet(SampleRequest())
    it.look_at(newer, number=1)
    it.qtbot.waitUntil(lambda: len(it.sheets) == 2, timeout=WAIT)
    it.sheet(SampleRequest(), newer)
    assert np.array_equal(it.sheets[0].points, it.sheets[1].points)
    it.panel.hide()
    it.look_at(other, lineage=2)
    assert it.grid.count() == 0, "nothing of another model stays"
    it.panel.show()
    it.qtbot.waitUntil(lambda: len(it.sheets) == 3, timeout=WAIT)
    it.sheet(SampleRequest(), other)
    assert it.sheets[2].images.shape == (60, 32, 32, 3)


def test_a_class_is_fitted_once_for_the_same_weights(sampling_, explorer, monkeypatch):
    it = sampling_
    shares = []
    monkeypatch.setattr(it.panel, "show_progress", shares.append)
    it.look_at(explorer)
    it.choose("sample_source", "Class 1")
    sheet = it.sheet(SampleRequest(OfClass(1)))
    assert it.says("sample_title") == "Samples of class 1"
    number = len(sheet.mixture.weights)
    gaussians = "a Gaussian" if number == 1 else f"{number} Gaussians"
    fitted = f"{gaussians} (full covariance) fitted to the means μ(x) of 3,000 training images"
    assert it.says("sample_about") == f"mean of p(x|z) at z ~ {fitted}"
    assert any(0.0 < share < 0.6 for share in shares) and shares[-1] == 1.0
    it.press("sample_new_button")
    again = it.sheet(SampleRequest(OfClass(1), seed=1))
    assert again.mixture is sheet.mixture
    it.control.set_class_names(("nought", "one"))
    assert it.says("sample_title") == "Samples of class one", "also where its name comes later"
    it.choose("sample_components", "5 Gaussians")
    assert len(it.sheet(SampleRequest(OfClass(1, 5), seed=1)).mixture.weights) == 5


@pytest.mark.parametrize("there", [True, False])
def test_a_class_of_another_model_waits_for_its_names_and_is_the_prior_where_there_is_none(sampling_, there):
    it = sampling_
    it.look_at(small_models.of(latent_dims=2))
    it.choose("sample_source", "Class 1" if there else "Class 7")
    other = small_models.of(latent_dims=3, data=DataConfig(classes=(0, 1)))
    it.look_at(other, lineage=2)
    it.move(0.1, 0.2, 0.3)
    assert it.control._job is None and not it.sheets
    it.control.set_class_names(("0", "1"))
    it.sheet(SampleRequest(OfClass(1) if there else Prior()), other)
    assert len(it.sheets) == 1 and not it.failures


def test_what_takes_long_shows_it_and_can_be_cancelled(sampling_, small, jobs, qtbot):
    it = sampling_
    it.look_at(small)
    it.sheet(SampleRequest())
    gate = threading.Event()
    jobs.submit(lambda: iter([gate.wait()]), lambda _: None, it.failures.append)
    it.choose("sample_source", "Class 0")
    progress, cancel = it.find(QProgressBar, "sample_progress"), it.find(QPushButton, "sample_cancel_button")
    assert not progress.isVisible(), "what comes at once flickers not"
    qtbot.waitUntil(progress.isVisible, timeout=WAIT)
    cancel.setFocus()
    QTest.keyClick(cancel, Qt.Key.Key_Space)
    assert not progress.isVisible() and it.grid.hasFocus()
    gate.set()
    assert it.says("sample_about").startswith("cancelled · ")
    assert it.says("sample_title") == "Samples from the prior", "what is shown is called what it is"
    it.look_at(small_models.mlp(3, seed=1), number=1)
    assert it.control._job is None, "new weights alone do not begin again what was cancelled"
    it.choose("sample_source", "Prior p(z)")
    qtbot.waitUntil(lambda: len(it.sheets) > 1 and it.sheets[-1].request.source == Prior(), timeout=WAIT)
    it.sheet(SampleRequest())
    assert not any(isinstance(sheet.request.source, OfClass) for sheet in it.sheets)


def test_an_auto_encoder_says_what_it_has_not(sampling_):
    it = sampling_
    it.look_at(small_models.of(model="autoencoder", likelihood=SquaredErrorConfig(), latent_dims=2))
    it.sheet(SampleRequest())
    assert it.says("sample_title") == "Images at random codes"
    assert it.says("sample_about") == "decoder output at z ~ N(0, I), since an auto-encoder has no prior"
    draw = it.find(QPushButton, "sample_draw_chip")
    assert not draw.isEnabled() and "no p(x|z)" in tips.tip(draw)


def test_what_fails_is_said_and_not_tried_again(sampling_, qtbot):
    it = sampling_
    it.look_at(small_models.of(small_models.COLOUR, latent_dims=2))
    it.choose("sample_source", "Class 2")
    qtbot.waitUntil(lambda: bool(it.failures), timeout=WAIT)
    assert it.failures[0].expected and "no encodings of a class" in it.failures[0].words
    it.control.set_class_names(())
    assert it.find(QComboBox, "sample_source").count() == 2
    it.sheet(SampleRequest())
    assert len(it.failures) == 1


@pytest.mark.parametrize(("width", "height"), [(1000, 600), (620, 420), (400, 380), (360, 500)])
def test_all_fits_and_images_are_where_they_are_hit(sampling_, small, width, height):
    it = sampling_
    it.panel.resize(width, height)
    it.look_at(small)
    it.choose("sample_source", "Class 9" if width % 200 else "Around the point")
    rects = []
    for control in it.panel.choices.controls():
        if control.isVisible():
            assert control.width() >= control.minimumSizeHint().width(), control.objectName()
            rects.append(control.rect().translated(control.mapTo(it.panel, QPoint())))
    assert all(it.panel.rect().contains(rect) for rect in rects)
    assert not any(a.intersects(b) for i, a in enumerate(rects) for b in rects[:i])
    images = [it.grid.sample_rect(index) for index in range(60)]
    assert all(it.grid.rect().adjusted(3, 3, -3, -3).contains(rect) for rect in images)
    assert not any(a.intersects(b) for i, a in enumerate(images) for b in images[:i])
    assert images[0].width() == images[0].height() >= 18


def test_every_control_is_named(sampling_):
    for control in (*sampling_.panel.choices.controls(), sampling_.grid):
        assert control.objectName() and control.accessibleName()
        assert control is sampling_.grid or control.toolTip()
    assert sampling_.panel.findChildren(ValueSlider)
