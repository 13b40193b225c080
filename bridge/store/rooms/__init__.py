"""The methods of the store, by what they are about; `facade` has them all under one roof.

subscriptions  made, read, stopped, hinted at
polls          claimed, recorded, and the ends that they bring
deliveries     claimed, recorded, read
by_hand        attempts that a person asks for
sessions       of the pages
standing       hooks and notices
upkeep         deadlines, repairs, pruning, new encryption keys
nodes          who is up, and figures
"""
