"""Favourites, tags and items of collections get copies of what orders the gallery, and an index.

The table of tags has been there: only the model for it is new.
"""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import OuterRef, Subquery

BATCH_SIZE = 10_000
INDEXES = {
    "Favourite": ("member", "favourite_gallery_idx"),
    "CollectionItem": ("collection", "collectionitem_gallery_idx"),
    "PictureTag": ("tag", "picturetag_gallery_idx"),
}


def fill(apps, schema_editor):
    """Copy the columns in batches, so that no statement holds all rows."""
    using = schema_editor.connection.alias
    pictures = apps.get_model("generations", "Picture").objects.filter(pk=OuterRef("picture"))
    for name in INDEXES:
        rows = apps.get_model("generations", name).objects.using(using).order_by("pk")
        last = 0
        while keys := list(rows.filter(pk__gt=last).values_list("pk", flat=True)[:BATCH_SIZE]):
            rows.filter(pk__gt=last, pk__lte=keys[-1]).update(
                generation=Subquery(pictures.values("generation")),
                generation_created_at=Subquery(pictures.values("generation__created_at")),
            )
            last = keys[-1]


def generation(**options):
    return models.ForeignKey(
        db_constraint=False,
        db_index=False,
        editable=False,
        on_delete=django.db.models.deletion.DO_NOTHING,
        related_name="+",
        to="generations.generation",
        **options,
    )


class Migration(migrations.Migration):

    dependencies = [
        ("generations", "0045_neutral_labels"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name="PictureTag",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True,
                                primary_key=True,
                                serialize=False,
                                verbose_name="ID",
                            ),
                        ),
                        (
                            "picture",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="generations.picture",
                            ),
                        ),
                        (
                            "tag",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="generations.tag",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "generations_picture_tags",
                        "unique_together": {("picture", "tag")},
                        "indexes": [
                            models.Index(
                                fields=["tag", "picture"], name="picture_tags_tag_picture_idx"
                            )
                        ],
                    },
                ),
                migrations.AlterField(
                    model_name="picture",
                    name="tags",
                    field=models.ManyToManyField(
                        blank=True,
                        related_name="pictures",
                        through="generations.PictureTag",
                        to="generations.tag",
                    ),
                ),
            ],
        ),
        *(
            operation
            for name in INDEXES
            for operation in (
                migrations.AddField(
                    model_name=name, name="generation", field=generation(null=True)
                ),
                migrations.AddField(
                    model_name=name,
                    name="generation_created_at",
                    field=models.DateTimeField(editable=False, null=True),
                ),
            )
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        *(
            operation
            for name, (column, index) in INDEXES.items()
            for operation in (
                migrations.AlterField(model_name=name, name="generation", field=generation()),
                migrations.AlterField(
                    model_name=name,
                    name="generation_created_at",
                    field=models.DateTimeField(editable=False),
                ),
                migrations.AddIndex(
                    model_name=name,
                    index=models.Index(
                        fields=[column, "-generation_created_at", "-generation", "picture"],
                        name=index,
                    ),
                ),
            )
        ),
    ]
