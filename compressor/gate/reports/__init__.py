"""The gate's answer in the forms that CI systems read, one file each."""
